SELECT clear_cart('ada');
