// The way in for orders from outside. It passes on what an order has and nothing else: a conductor trusts its `state`, so no request may bring one.
function main({ id, item, count, card }) {
  for (const [name, text] of Object.entries({ id, item, card })) {
    if (typeof text !== 'string' || text === '') return refusal(`an order has '${name}', a text`);
  }
  if (!Number.isInteger(count) || count < 1) return refusal("an order has 'count', a whole number above 0");
  return { id, item, count, card };
}

function refusal(error) {
  return { error: { statusCode: 400, body: { error } } };
}
