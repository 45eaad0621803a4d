// node-postgres. Run by ../test_node.py, in a database of its own.
"use strict";

const assert = require("node:assert/strict");
const { after, afterEach, beforeEach, test } = require("node:test");
const { once } = require("node:events");
const pg = require("pg");

const BRIGADE = "a0000000-0000-4000-8000-000000000003";
const BOLT = "a0000000-0000-4000-8000-000000000004";
const VECTORS = "a0000000-0000-4000-8000-000000000008";

const pool = new pg.Pool({ max: 8 });
let client;

after(() => pool.end());
beforeEach(async () => {
  client = await pool.connect();
  await client.query("BEGIN");
});
afterEach(async () => {
  await client.query("ROLLBACK");
  client.release();
});

const value = async (text, values) => Object.values((await client.query(text, values)).rows[0])[0];

async function fillCart() {
  for (const [addOn, quantity] of [[BRIGADE, 1], [BOLT, 1], [VECTORS, 2]]) {
    await client.query("SELECT * FROM add_to_cart($1, $2, $3)", ["ada", addOn, quantity]);
  }
}

/** The machine code in the last line of an error's DETAIL. */
const codeOf = (error) => error.detail.slice(error.detail.lastIndexOf("code: ") + 6);

async function refused(text, values) {
  await client.query("SAVEPOINT before");
  const error = await client.query(text, values).then(() => assert.fail(`${text} is not refused`), (error) => error);
  await client.query("ROLLBACK TO before");
  return error;
}

test("amounts arrive as text, so that no cent is lost on the way", async () => {
  await fillCart();
  assert.equal(await value("SELECT cart_total($1, promo_code => $2)", ["ada", "launch2025"]), "43.98");
  assert.equal(await value("SELECT (price_add_on($1) * 100)::integer", [BRIGADE]), 1999);
});

test("a quote is an object", async () => {
  await fillCart();
  const quote = await value("SELECT price_cart($1, promo_code => $2)", ["ada", "nope"]);
  assert.deepEqual(quote.lines.map((line) => line.name), ["Brigade", "Bolt", "Vector Search"]);
  assert.deepEqual([quote.total, quote.promo.valid, quote.promo.reasons], [54.97, false, ["unknown"]]);
  const items = JSON.stringify([{ add_on_id: BRIGADE, quantity: 2 }]); // an array would be taken for one of SQL
  assert.equal((await value("SELECT quote($1)", [items])).total, 39.98);
});

test("rows, arrays, booleans and times", async () => {
  const { rows } = await client.query("SELECT * FROM has_features($1, $2)", ["ada", ["ocr", "gpu_hours"]]);
  assert.deepEqual(rows, [{ feature_key: "ocr", entitled: false }, { feature_key: "gpu_hours", entitled: false }]);
  const end = new Date("2099-01-31T12:00:00Z");
  const grant = await client.query("SELECT * FROM grant_add_on($1, $2, $3)", ["ada", BOLT, end]);
  assert.deepEqual(grant.rows, [{ add_on_id: BOLT, expires_at: end }]);
  assert.equal(await value("SELECT has_feature('ada', 'gpu_hours', $1)", [new Date(end - 1)]), true);
  assert.equal(await value("SELECT has_feature('ada', 'gpu_hours', $1)", [end]), false);
});

test("a checkout, its webhook, and the same webhook again", async () => {
  await fillCart();
  const { rows } = await client.query("SELECT * FROM checkout($1, expected_total => $2)", ["ada", "54.97"]);
  const body = JSON.stringify({
    id: "evt_1", type: "checkout.session.completed", created: 1767225600,
    data: { object: { id: "cs_1", client_reference_id: rows[0].checkout_id, payment_intent: "pi_1", payment_status: "paid",
                      amount_total: 5497, currency: "usd" } },
  });
  for (const changed of [true, false]) {
    const report = await value("SELECT apply_stripe_event($1)", [body]);
    assert.deepEqual([report.action, report.changed], ["completed", changed]);
  }
  assert.equal((await client.query("SELECT * FROM active_add_ons('ada')")).rowCount, 3);
});

for (const [state, code, text, values] of [
  ["22023", "invalid_quantity", "SELECT * FROM set_cart_quantity($1, $2, -1)", ["ada", BOLT]],
  ["23514", "quantity_limit", "SELECT * FROM add_to_cart($1, $2, 101)", ["ada", BOLT]],
  ["55000", "empty_cart", "SELECT * FROM checkout($1)", ["nobody"]],
  ["P0002", "checkout_not_found", "SELECT * FROM complete_checkout($1)", [BOLT]],
  ["22003", "amount_out_of_range", "SELECT price_add_on($1, 2147483647)", [BOLT]],
]) {
  test(`${code} is an error with SQLSTATE ${state}`, async () => {
    const error = await refused(text, values);
    assert.equal(error.code, state);
    assert.equal(codeOf(error), code);
    assert.ok(error.hint.length > 0);
  });
}

test("a named statement is prepared once and sees the catalog change", async () => {
  for (let cents = 1; cents <= 12; cents++) {
    await client.query("UPDATE add_ons SET base_price = $1 WHERE id = $2", [cents / 100, BOLT]);
    const { rows } = await client.query({ name: "price", text: "SELECT price_add_on($1, $2)", values: [BOLT, 100] });
    assert.equal(rows[0].price_add_on, `${cents}.00`);
  }
  assert.equal(await value("SELECT count(*)::integer FROM pg_prepared_statements WHERE name = 'price'"), 1);
});

test("many clients at once sell a cart once", async () => {
  await pool.query("SELECT * FROM add_to_cart('once', $1)", [BOLT]);
  const buy = () => pool.query("SELECT * FROM checkout('once')").then(({ rowCount }) => rowCount, codeOf);
  const outcomes = await Promise.all(Array.from({ length: 6 }, buy));
  assert.deepEqual(outcomes.sort(), [1, ...Array(5).fill("empty_cart")]);
});

test("grants are announced", async () => {
  const listener = await pool.connect();
  await listener.query("LISTEN extensions_entitlements");
  const heard = once(listener, "notification");
  await pool.query("SELECT * FROM grant_add_on('eve', $1)", [BOLT]);
  const [notification] = await heard;
  assert.equal(notification.channel, "extensions_entitlements");
  assert.match(notification.payload, /eve/);
  listener.release(true);
});
