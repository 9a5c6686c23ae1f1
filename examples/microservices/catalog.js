// Service "catalog": what the shop sells. All products, or one with `?sku=`.
function main({ products, sku, __ow_method: method }) {
  if (method !== 'get') return refusal(405, 'the catalog can only be read');
  if (sku === undefined) return { body: Object.entries(products).map(([sku, product]) => shown(sku, product)) };
  if (!Object.hasOwn(products, sku)) return refusal(404, `there is no product '${sku}'`);
  return { body: shown(sku, products[sku]) };
}

function shown(sku, { title, cents, stock }) {
  return { sku, title, cents, available: stock > 0 };
}

function refusal(statusCode, error) {
  return { error: { statusCode, body: { error } } };
}
