// How numbers, sizes and times read on the page. The same width for the same magnitude, so that nothing jumps.

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** A count: `12,345`. */
export function count(n) {
  return WHOLE.format(n);
}

/** A count with its noun: `1 update`, `12,345 updates`. */
export function counted(n, noun) {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** A number per second, without the unit: `0.4`, `320`, `41.2K`. */
export function rate(n) {
  if (n >= 10_000) return COMPACT.format(n);
  return n < 100 ? TENTHS.format(n) : WHOLE.format(n);
}

/** A percentage: `12.5 %`. */
export function percent(n) {
  return `${TENTHS.format(n)} %`;
}

/** Bytes in decimal units, as networks count: `1.5 MB`. */
export function bytes(n) {
  return scaled(n, 1000, ['B', 'kB', 'MB', 'GB', 'TB', 'PB']);
}

/** Bytes in binary units, as memory is counted: `15.6 GiB`. */
export function memory(n) {
  return scaled(n, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
}

function scaled(n, base, units) {
  let unit = 0;
  while (n >= base && unit < units.length - 1) {
    n /= base;
    unit += 1;
  }
  return `${unit === 0 ? WHOLE.format(n) : TENTHS.format(n)} ${units[unit]}`;
}

/** A length of time in its two largest units: `3 d 4 h`, `42 s`. */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** The local time of day to the millisecond: `09:41:07.250`. */
export function clock(date) {
  const two = (n) => String(n).padStart(2, '0');
  const millis = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}
