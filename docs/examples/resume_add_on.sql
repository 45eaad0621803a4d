SELECT resume_add_on('bob', 'a0000000-0000-4000-8000-000000000009') AS was_not_suspended;
