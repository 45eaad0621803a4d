SELECT cancel_add_on('bob', 'a0000000-0000-4000-8000-000000000004', reason => 'too dear') AS access_ends;
SELECT cancel_add_on('bob', 'a0000000-0000-4000-8000-000000000009', immediately => true) = now() AS ends_now;
