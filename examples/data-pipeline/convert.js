// Second step: one unit for all, and no reading that a thermometer on earth cannot give.
const COLDEST = -90;
const HOTTEST = 60;

function main({ records, rejected }) {
  const converted = records.map(({ station, day, degrees, unit }) => ({ station, day, celsius: unit === 'F' ? (degrees - 32) / 1.8 : degrees }));
  const isPossible = ({ celsius }) => celsius >= COLDEST && celsius <= HOTTEST;
  const impossible = converted.filter(record => !isPossible(record));
  return {
    records: converted.filter(isPossible),
    rejected: [...rejected, ...impossible.map(({ station, day }) => ({ station, day, why: 'impossible temperature' }))]
  };
}
