// Hands the goods over to the post.
const HEAVIEST = 30_000;

function main({ id, item, count, grams }) {
  const weight = count * grams[item];
  if (weight > HEAVIEST) return { error: `${weight} g are too heavy for the post` };
  return { parcel: `P-${id}`, weight };
}
