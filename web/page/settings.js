// The settings of a group: in words for everyone, and the dialog for those who may change them.

import { duration } from './dates.js';
import { openForm, problemAt } from './form.js';
import { webURL } from './text.js';
import { t } from './words.js';

const slowSteps = [0, 5, 10, 30, 60, 300, 900, 3_600]; // seconds

const slow = (seconds) => (seconds ? t('slowEvery', duration(seconds)) : t('slowOff'));

/** Whether the user may change the group, and moderate it. */
export const isModerator = (view) => view?.kind === 'group' && (view.role === 'owner' || view.role === 'admin');

/** The settings as pairs of a name and what it is. */
export function settingsInWords({ settings }) {
  const { posting, joining, history, receipts, slow_mode_s: seconds = 0 } = settings;
  return [
    [t('posting'), t(`posting_${posting}`)],
    [t('joining'), t(`joining_${joining}`)],
    seconds > 0 && [t('slowMode'), slow(seconds)],
    [t('history'), t(`history_${history}`)],
    [t('receipts'), t(receipts ? 'receiptsOn' : 'receiptsOff')],
  ].filter(Boolean);
}

/** Opens the dialog. */
export function openSettings(client, view) {
  const { title, avatar_url: picture, settings } = view;
  const seconds = settings.slow_mode_s ?? 0;
  const steps = [...new Set([...slowSteps, seconds])].sort((a, b) => a - b);
  const options = (key, ...values) => values.map((value) => [value, t(`${key}_${value}`)]);
  openForm({
    title: t('groupSettings'), yes: t('save'), refusals: { forbidden: 'notModerator' },
    fields: [
      { name: 'title', kind: 'text', label: t('groupName'), value: title ?? '', max: client.limits?.title_chars ?? 200, pointer: '/title' },
      { name: 'picture', kind: 'text', label: t('groupPicture'), hint: t('groupPictureHint'), value: picture ?? '', max: 2_000, pointer: '/avatar_url' },
      { name: 'posting', kind: 'select', half: true, label: t('posting'), value: settings.posting, pointer: '/settings/posting', options: options('posting', 'everyone', 'admins', 'nobody') },
      { name: 'slow', kind: 'select', half: true, label: t('slowMode'), value: String(seconds), pointer: '/settings/slow_mode_s', options: steps.map((one) => [String(one), slow(one)]) },
      { name: 'joining', kind: 'select', half: true, label: t('joining'), value: settings.joining, pointer: '/settings/joining', options: options('joining', 'invite', 'open') },
      { name: 'history', kind: 'select', half: true, label: t('history'), value: settings.history, pointer: '/settings/history', options: options('history', 'all', 'since_join') },
      { name: 'receipts', kind: 'switch', label: t('receipts'), hint: t('receiptsHint'), value: settings.receipts, pointer: '/settings/receipts' },
    ],
    async run(values) {
      if (values.picture && !webURL(values.picture)) throw problemAt('picture', t('noAddress'));
      const change = changeOf(view, values);
      if (Object.keys(change).length) await client.updateGroup(view.conversation_id, change);
    },
  });
}

/** What is to be changed: what was not touched may have been changed by others since. */
function changeOf({ title, avatar_url: picture, settings }, values) {
  const wanted = { posting: values.posting, joining: values.joining, history: values.history, receipts: values.receipts, slow_mode_s: Number(values.slow) };
  const before = { slow_mode_s: 0, ...settings };
  const changed = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => before[key] !== value));
  return {
    ...(values.title !== (title ?? '') && { title: values.title || null }),
    ...(values.picture !== (picture ?? '') && { avatar_url: values.picture || null }),
    ...(Object.keys(changed).length && { settings: changed }),
  };
}
