SELECT remove_from_cart('ada', 'a0000000-0000-4000-8000-000000000003') AS was_there,
       remove_from_cart('ada', 'a0000000-0000-4000-8000-000000000009') AS was_never_there;
