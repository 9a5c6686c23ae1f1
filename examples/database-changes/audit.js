// Writes one line for each change of the stock, as somebody would read it later.
function main({ seq, item, before, after }) {
  const what = before === null ? `new, ${after} there` : after === null ? `gone, ${before} were left` : `${before} → ${after}`;
  console.log(`change ${seq}: ${item} ${what}`);
  return { line: `#${seq} ${item}: ${what}` };
}
