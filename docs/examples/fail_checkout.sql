SELECT fail_checkout('f0000000-0000-4000-8000-000000000003', reason => 'the card was declined');
