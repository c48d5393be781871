// Times as people write them, in the language of the page.

import { locale } from './language.js';
import { t } from './words.js';

const time = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(locale, { weekday: 'short' });
const date = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
const dateOfYear = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' });
const longDate = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long' });
const longDateOfYear = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const whole = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'medium' });

export const clock = (at) => time.format(new Date(at));

/** The full date and time. */
export const full = (at) => whole.format(new Date(at));

/** A day, for the line between days. */
export function day(at) {
  const then = new Date(at);
  const days = daysAgo(then);
  if (days === 0) return t('today');
  if (days === 1) return t('yesterday');
  return (isThisYear(then) ? longDate : longDateOfYear).format(then);
}

/** The shortest form that says when it was. */
export function when(at) {
  const then = new Date(at);
  const days = daysAgo(then);
  if (days <= 0) return time.format(then);
  if (days < 7) return weekday.format(then);
  return (isThisYear(then) ? date : dateOfYear).format(then);
}

/** When something ends: the time if that is today, else with the day. */
export function until(at) {
  const then = new Date(at);
  if (daysAgo(then) === 0) return time.format(then);
  return `${(isThisYear(then) ? date : dateOfYear).format(then)}, ${time.format(then)}`;
}

const units = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];

/** A duration in its largest units: 15 minutes, 1 hour. */
export function duration(seconds) {
  const [unit, size] = units.find(([, one]) => seconds >= one && seconds % one === 0) ?? units.find(([, one]) => seconds >= one) ?? units.at(-1);
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' }).format(Math.round(seconds / size));
}

/** The time that is left, as a clock shows it: 0:09, 4:05; from an hour on in words. */
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  if (seconds >= 3_600) return duration(seconds >= 2 * 86_400 ? Math.ceil(seconds / 86_400) * 86_400 : Math.ceil(seconds / 3_600) * 3_600);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

const isThisYear = (then) => then.getFullYear() === new Date().getFullYear();

function daysAgo(then) {
  const midnight = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
  return Math.round((midnight(new Date()) - midnight(then)) / 86_400_000);
}
