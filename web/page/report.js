// The report of a message to the app.

import { openForm } from './form.js';
import { lineOf, t } from './words.js';

const categories = ['spam', 'abuse', 'sexual', 'violence', 'illegal', 'other'];

/**
 * Asks what is wrong with a message, and reports it.
 * @param {import('../im.js').Client} client
 * @param {object} message
 * @param {() => void} done it is reported
 */
export function openReport(client, message, done) {
  openForm({
    title: t('reportTitle'), text: `“${lineOf(message).slice(0, 80)}”`, yes: t('sendReport'), refusals: { conflict: 'reportGone', not_found: 'reportGone' },
    fields: [
      { name: 'category', kind: 'choice', label: t('reportWhat'), value: 'spam', options: categories.map((one) => [one, t(`report_${one}`)]), pointer: '/category' },
      { name: 'text', kind: 'area', label: t('reportText'), max: client.limits?.report_chars ?? 1_000, pointer: '/text' },
    ],
    async run({ category, text }) {
      await client.report(message.conversation_id, message.seq, { category, ...(text && { text }) });
      done();
    },
  });
}
