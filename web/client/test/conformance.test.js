import test from 'node:test';
import { cases, Run } from './conformance.js';

for (const [name, one, names] of cases()) test(`conformance: ${name}`, () => new Run(one, names).run());
