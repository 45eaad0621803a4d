SELECT used, remaining FROM consume_feature('bob', 'code_review', 5);
SELECT used, remaining FROM release_feature('bob', 'code_review', 2);
SELECT used, remaining FROM release_feature('bob', 'code_review', 100);
