SELECT * FROM grant_add_on('dee', 'a0000000-0000-4000-8000-000000000007', expires_at => '2099-01-01');
