// Times and numbers for operators: exact, and the same for everyone who compares them with a log.

import { el } from '../page/dom.js';

const two = (number) => String(number).padStart(2, '0');

/** A time as in 2026-01-02 03:04:05, in the time zone of the browser. */
export function stamp(at) {
  const then = new Date(at);
  if (Number.isNaN(then.getTime())) return String(at);
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${two(then.getHours())}:${two(then.getMinutes())}:${two(then.getSeconds())}`;
}

/** A time, with what the server wrote as the title. */
export const time = (at) => el('time', { datetime: at, title: at }, stamp(at));

const units = [['d', 86_400], ['h', 3_600], ['min', 60], ['s', 1]];

/** A duration in its two largest units: 2 d 3 h, 4 min 5 s. */
export function span(ms) {
  let rest = Math.max(0, Math.round(ms / 1_000));
  const from = units.findIndex(([, size]) => rest >= size);
  if (from < 0) return '0 s';
  const words = [];
  for (const [unit, size] of units.slice(from, from + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || !words.length) words.push(`${count} ${unit}`);
  }
  return words.join(' ');
}

/** How long ago a time was. */
export const ago = (at) => `${span(Date.now() - Date.parse(at))} ago`;

const numbers = new Intl.NumberFormat('en');

/** A number with groups of three digits: 1,234,567. */
export const count = (number) => numbers.format(number);

/** A rate with two significant digits: 0.25, 3.1, 120. */
export const rate = (perSecond) => (perSecond >= 10 ? count(Math.round(perSecond)) : String(Number(perSecond.toPrecision(2))));
