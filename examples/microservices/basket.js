// Service "basket": checks what a customer wants and looks up the products. An error ends the sequence and is the answer of the web action.
const MOST_LINES = 50;

function main({ items, products }) {
  if (!Array.isArray(items) || items.length === 0) return refusal(400, "send 'items': a list of { sku, count }");
  if (items.length > MOST_LINES) return refusal(400, `a basket has at most ${MOST_LINES} lines`);
  const counts = new Map();
  for (const { sku, count } of items.map(item => item ?? {})) {
    if (typeof sku !== 'string' || !Object.hasOwn(products, sku)) return refusal(404, `there is no product '${sku}'`);
    if (!Number.isInteger(count) || count < 1) return refusal(400, `count of '${sku}' is not a whole number above 0`);
    counts.set(sku, (counts.get(sku) ?? 0) + count);
  }
  for (const [sku, count] of counts) {
    const { stock } = products[sku];
    if (count > stock) return refusal(409, `only ${stock} of '${sku}' are left`);
  }
  return { lines: [...counts].map(([sku, count]) => ({ title: products[sku].title, cents: products[sku].cents, count })) };
}

function refusal(statusCode, error) {
  return { error: { statusCode, body: { error } } };
}
