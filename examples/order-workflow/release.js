// Undoes `reserve`.
function main({ id, reservation }) {
  console.log(`order ${id}: ${reservation} is free again`);
  return { released: reservation };
}
