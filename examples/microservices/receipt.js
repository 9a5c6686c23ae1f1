// Service "receipt": shows a priced basket to people.
const money = cents => `${Math.trunc(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;

function main({ lines, total, vat }) {
  return {
    body: {
      lines: lines.map(({ title, count, cents }) => `${count} x ${title}: ${money(cents)}`),
      total: money(total),
      'VAT included': money(vat)
    }
  };
}
