SELECT jsonb_pretty(stripe_checkout('f0000000-0000-4000-8000-000000000003', success_url => 'https://shop.example/thanks',
                                    cancel_url => 'https://shop.example/cart'));
