// A line over time, drawn as SVG.

import { el } from '../page/dom.js';
import { span } from './times.js';

const space = 'http://www.w3.org/2000/svg';
const [width, height, edge] = [300, 64, 3];

function svg(tag, attributes) {
  const node = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/**
 * The points of a line in the drawing, from the oldest on the left to the newest on the right, and from 0 up.
 * @param {{at: number, value: number}[]} points at least two
 */
export function place(points) {
  const [from, to] = [points[0].at, points.at(-1).at];
  const top = Math.max(...points.map(({ value }) => value)) || 1;
  return points.map(({ at, value }) => [
    Math.round((to > from ? (at - from) / (to - from) : 1) * width * 10) / 10,
    Math.round((height - edge - (value / top) * (height - 2 * edge)) * 10) / 10,
  ]);
}

/**
 * A figure with the newest value, the line, and what it reaches from and to.
 * @param {string} name
 * @param {{at: number, value: number}[]} points
 * @param {(value: number) => string} write
 */
export function chart(name, points, write) {
  const newest = points.at(-1);
  const head = el('figcaption', {}, el('span', { class: 'quiet' }, name), el('strong', {}, newest ? write(newest.value) : '…'));
  if (points.length < 2) return el('figure', { class: 'chart' }, head, el('p', { class: 'quiet' }, 'A line needs a few more readings.'));
  const values = points.map(({ value }) => value);
  const least = write(Math.min(...values));
  const most = write(Math.max(...values));
  const line = place(points);
  const drawing = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${name}: from ${least} to ${most}, now ${write(newest.value)}` });
  drawing.append(
    svg('path', { class: 'area', d: `M${line[0][0]},${height} L${line.map(([x, y]) => `${x},${y}`).join(' L')} L${line.at(-1)[0]},${height} Z` }),
    svg('path', { class: 'line', 'vector-effect': 'non-scaling-stroke', d: `M${line.map(([x, y]) => `${x},${y}`).join(' L')}` }),
  );
  return el('figure', { class: 'chart' }, head, drawing, el('p', { class: 'quiet' }, `${least === most ? most : `${least} to ${most}`} in ${span(newest.at - points[0].at)}`));
}
