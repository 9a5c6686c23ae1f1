// Sets goods aside for an order. A step that cannot do its work answers with `error`; the conductor decides what that means.
function main({ id, item, count, stock }) {
  const { there, cents } = stock[item] ?? { there: 0 };
  if (count > there) return { error: `${count} of '${item}' were wanted, ${there} are there` };
  console.log(`order ${id}: ${count} of '${item}' set aside`);
  return { reservation: `${id}-${item}`, cents: cents * count };
}
