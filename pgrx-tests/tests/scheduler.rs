//! Maintenance by pg_cron if it is installed, and the error if it is not.

use std::time::{Duration, Instant};

use harness::{Server, paths, refusal, text};

/// Whether the server at hand carries pg_cron.
fn has_pg_cron(server: &Server) -> bool {
    let shared = server.run("pg_config", &["--sharedir"]);
    std::path::Path::new(shared.trim()).join("extension/pg_cron.control").exists()
}

#[test]
fn a_job_of_pg_cron_clears_away() {
    let server = Server::start("");
    if !has_pg_cron(&server) {
        assert!(![15, 17].contains(&paths::major()), "set-up fetches pg_cron for this version");
        return;
    }
    let socket = server.folder().display().to_string();
    server.reconfigure(&format!("shared_preload_libraries = pg_cron\ncron.host = '{socket}'"));
    let mut client = server.connect("postgres");
    client
        .batch_execute(
            "CREATE EXTENSION pg_cron; CREATE SCHEMA \"my market\"; CREATE EXTENSION extensions SCHEMA \"my market\";
             SET search_path = \"my market\"; SELECT * FROM load_sample_catalog();
             INSERT INTO cart_items (user_id, add_on_id, added_at, updated_at)
             SELECT 'ada', id, now() - interval '31 days', now() - interval '31 days' FROM add_ons",
        )
        .unwrap();
    assert_eq!(refusal(&mut client, "SELECT schedule_maintenance('now and then')").0, "22023");
    let nightly = text(&mut client, "SELECT schedule_maintenance()").unwrap();
    let minutely = text(&mut client, "SELECT schedule_maintenance('* * * * *')").unwrap();
    assert_eq!(nightly, minutely, "the job is replaced");
    let job = "SELECT jobid || ' ' || schedule || ' ' || command FROM cron.job";
    assert_eq!(
        text(&mut client, job).unwrap(),
        format!("{minutely} * * * * * SELECT * FROM \"my market\".run_maintenance()")
    );

    let (begun, left) = (Instant::now(), "SELECT count(*) FROM cart_items");
    while text(&mut client, left).unwrap() != "0" {
        let log = "SELECT string_agg(status || ' ' || coalesce(return_message, ''), '; ') FROM cron.job_run_details";
        assert!(begun.elapsed() < Duration::from_secs(90), "{:?}", text(&mut client, log));
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_superuser_schedules_it_for_the_owner() {
    let server = Server::start("");
    if !has_pg_cron(&server) {
        assert!(![15, 17].contains(&paths::major()), "set-up fetches pg_cron for this version");
        return;
    }
    let socket = server.folder().display().to_string();
    server.reconfigure(&format!(
        "shared_preload_libraries = pg_cron\ncron.host = '{socket}'\ncron.database_name = owned"
    ));
    server
        .connect("postgres")
        .batch_execute("CREATE ROLE olive LOGIN")
        .and_then(|()| server.connect("postgres").batch_execute("CREATE DATABASE owned OWNER olive"))
        .unwrap();
    let mut superuser = server.connect("owned");
    superuser
        .batch_execute("CREATE EXTENSION pg_cron; CREATE TABLE who (name text); GRANT INSERT ON who TO olive")
        .unwrap();
    let mut olive = server.config("owned").user("olive").connect(postgres::NoTls).unwrap();
    olive
        .batch_execute(
            "CREATE SCHEMA shop; CREATE EXTENSION extensions SCHEMA shop; SELECT shop.load_sample_catalog();
             INSERT INTO shop.cart_items (user_id, add_on_id, added_at, updated_at)
             SELECT 'ada', id, now() - interval '31 days', now() - interval '31 days' FROM shop.add_ons;
             CREATE FUNCTION shop.told() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO public.who VALUES (current_user || ' in a session of ' || session_user); RETURN OLD; END $$;
             CREATE TRIGGER told BEFORE DELETE ON shop.cart_items FOR EACH ROW EXECUTE FUNCTION shop.told()",
        )
        .unwrap();
    superuser.batch_execute("SELECT shop.schedule_maintenance('* * * * *')").unwrap();
    assert_eq!(text(&mut superuser, "SELECT username || ' ' || database FROM cron.job").unwrap(), "olive owned");
    let (begun, done) = (Instant::now(), "SELECT min(name) FROM who");
    while text(&mut superuser, done).is_none() {
        let log = "SELECT string_agg(status || ' ' || coalesce(return_message, ''), '; ') FROM cron.job_run_details";
        assert!(begun.elapsed() < Duration::from_secs(90), "{:?}", text(&mut superuser, log));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(text(&mut superuser, done).unwrap(), "olive in a session of olive");
}

#[test]
fn without_pg_cron_the_hint_says_what_to_do() {
    let server = Server::shared();
    server.create_database("unscheduled");
    let mut client = server.connect("unscheduled");
    client.batch_execute("CREATE EXTENSION extensions").unwrap();
    let error = client.simple_query("SELECT schedule_maintenance()").unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "55000");
    assert!(error.detail().unwrap().ends_with("code: scheduler_missing"));
    assert!(error.hint().unwrap().contains("CREATE EXTENSION pg_cron"), "{:?}", error.hint());
}
