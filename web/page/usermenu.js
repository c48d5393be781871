// The user's menu: notifications, shortcuts, colours, language, and the way out.

import { showKeys } from './keys.js';
import { language, languages, setLanguage } from './language.js';
import { menu } from './popup.js';
import { openPushSettings } from './pushsettings.js';
import * as themes from './theme.js';
import { t } from './words.js';

/**
 * @param {HTMLElement} anchor
 * @param {{notifier: object, push: object, note: (text: string) => void, signOut: () => void}} page
 */
export function openUserMenu(anchor, { notifier, push, note, signOut }) {
  menu(anchor, [
    {
      name: t('notifications'), checked: notifier.isOn,
      run: async () => { if (!await notifier.toggle()) note(t('notificationsDenied')); },
    },
    ...(push.isOffered ? [{ name: t('pushMenu'), checked: push.isOn, run: () => openPushSettings(push) }] : []),
    { name: t('shortcuts'), run: showKeys },
    null,
    ...['system', 'light', 'dark'].map((value) => ({ name: t(`theme${value[0].toUpperCase()}${value.slice(1)}`), checked: themes.theme() === value, run: () => themes.setTheme(value) })),
    null,
    ...Object.entries(languages).map(([value, name]) => ({ name, checked: language === value, run: () => setLanguage(value) })),
    null,
    { name: t('signOut'), run: signOut, danger: true },
  ]);
}
