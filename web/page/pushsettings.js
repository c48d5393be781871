// The dialog of push notifications.

import { openForm } from './form.js';
import { t } from './words.js';

/** @param {import('./push.js').Push} push */
export function openPushSettings(push) {
  openForm({
    title: t('notifications'), yes: t('save'), refusals: { limit_exceeded: 'pushTooMany' },
    fields: [
      { name: 'on', kind: 'switch', label: t('pushOn'), hint: t('pushHint'), value: push.isOn },
      { name: 'preview', kind: 'choice', label: t('pushPreview'), value: push.preview, options: ['full', 'sender', 'none'].map((value) => [value, t(`pushPreview_${value}`)]) },
    ],
    run: ({ on, preview }) => (on ? push.turnOn(preview) : push.turnOff()),
  });
}
