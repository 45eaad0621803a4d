//! Random values of every type that functions take.

use fastrand::Rng;

use crate::documents::document;

const WORDS: &str = "ada|bob|user 1|LAUNCH2025|launch2025 |FIRSTBUY|FRIEND50|VIP2025|vip_founder|pro|agent_platform|gpu_hours|\
                     Brigade|ai-services|infrastructure|completed|refunded|pending|monthly|UTC|Europe/Berlin|public|pg_catalog|\
                     extensions.user_id|shop|catalog|billing|admin|entitlements|17 3 * * *";

const ODD_WORDS: &str = "| |\t\n|'|\\|''; DROP TABLE add_ons; --|%s%n%d|\u{202e}abc|💩|ß|İ|\u{1}|NULL|{}|$1|\"|a.b.c|0|-1|NaN|1e999|\
                         \u{feff}|\u{fdfa}\u{fdfa}";

const ODD_NUMBERS: &str = "0|-0|0.00|0.01|0.004|0.005|-0.01|1|19.99|99999999.99|100000000|NaN|Infinity|-Infinity|1e-16383|9e131071|\
                           -9e131071|0.1234567890123456789012345678901234567890|79228162514264337593543950335|\
                           79228162514264337593543950336|-92233720368547758.08|92233720368547758.07|92233720368547758.08";

const INTEGERS: &str = "0|1|2|-1|100|101|2147483647|-2147483648";

const INSTANTS: &str = "now|infinity|-infinity|epoch|4714-11-24 00:00+00 BC|294276-12-31 23:59:59.999999+00|2026-02-28|\
                        2000-01-01 00:00:00.000001+14|9999-12-31";

const INTERVALS: &str = "0|1 second|-1 second|30 days|178000000 years|-178000000 years|1 mon -30 days|2147483647 days|\
                         -2147483648 days";

/// One of those between the bars.
pub fn choose<'a>(random: &mut Rng, among: &'a str) -> &'a str {
    let choices: Vec<&str> = among.split('|').collect();
    choices[random.usize(..choices.len())]
}

/// A literal in SQL, whatever its characters.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Ids of the sample's rows and of purchases that exist, and others.
pub fn uuid(random: &mut Rng, known: &[String]) -> String {
    match random.u8(..10) {
        0 => "00000000-0000-0000-0000-000000000000".into(),
        1 => "ffffffff-ffff-ffff-ffff-ffffffffffff".into(),
        2 => uuid::Uuid::from_u128(random.u128(..)).to_string(),
        _ => known[random.usize(..known.len())].clone(),
    }
}

fn words(random: &mut Rng) -> String {
    match random.u8(..8) {
        0 => choose(random, ODD_WORDS).repeat(random.usize(1..4)),
        1 => choose(random, ODD_WORDS).repeat(random.usize(100..20_000)),
        2 => (0..random.usize(1..300)).map(|_| random.char('\u{1}'..'\u{10ffff}')).collect(),
        _ => choose(random, WORDS).to_owned(),
    }
}

fn integer(random: &mut Rng) -> String {
    if random.u8(..9) == 0 { random.i32(..).to_string() } else { choose(random, INTEGERS).to_owned() }
}

fn number(random: &mut Rng) -> String {
    match random.u8(..3) {
        0 => format!("{}.{:02}", random.i64(-100..100_000), random.u8(..100)),
        1 => format!("{}{}e{}", choose(random, "|-"), random.u64(..), random.i32(-400..400)),
        _ => choose(random, ODD_NUMBERS).to_owned(),
    }
}

fn array(random: &mut Rng, kind: &str, element: impl Fn(&mut Rng) -> String) -> String {
    let elements = |random: &mut Rng| -> String {
        let count = random.usize(0..6);
        let one = |random: &mut Rng| if random.u8(..8) == 0 { "NULL".to_owned() } else { literal(&element(random)) };
        (0..count).map(|_| one(random)).collect::<Vec<_>>().join(", ")
    };
    match random.u8(..6) {
        0 => {
            let row = elements(random);
            if row.is_empty() { "ARRAY[]".to_owned() } else { format!("ARRAY[[{row}], [{row}]]") }
        }
        1 => format!("array_fill({}::{kind}, ARRAY[{}], ARRAY[-5])", literal(&element(random)), random.usize(1..500)),
        _ => format!("ARRAY[{}]", elements(random)),
    }
}

/// A value of a type, as SQL.
pub fn value(random: &mut Rng, kind: &str, known: &[String]) -> String {
    if random.u8(..10) == 0 {
        return format!("NULL::{kind}");
    }
    let value = match kind {
        "text[]" => array(random, "text", words),
        "uuid[]" => array(random, "uuid", |random| uuid(random, known)),
        other => literal(&single_value(random, other, known)),
    };
    format!("{value}::{kind}")
}

fn single_value(random: &mut Rng, kind: &str, known: &[String]) -> String {
    let among = match kind {
        "integer" | "bigint" => return integer(random),
        "numeric" => return number(random),
        "text" => return words(random),
        "name" => return words(random).chars().take(60).collect(),
        "uuid" => return uuid(random, known),
        "jsonb" => return document(random, known),
        "boolean" => "true|false",
        "timestamp with time zone" => INSTANTS,
        "interval" => INTERVALS,
        "regclass" => "add_ons|cart_items|pg_class|revenue_by_day|idx_cart_items_user|old.add_ons",
        "oid" => "0|1259|2200|4294967295",
        "regrole" => "postgres|fuzz_shopper|pg_monitor|\"fuzz owner\"",
        other => panic!("no values are made of type {other}"),
    };
    choose(random, among).to_owned()
}
