// English or Chinese: as the browser has it, unless the user chose. It is imported first, so that every word is in the
// language from the start; another choice loads the page again.

import { use } from './words.js';
import { chinese } from './words-zh.js';

const key = 'im.language';
const own = navigator.languages.find((tag) => /^(en|zh)(-|$)/i.test(tag)) ?? 'en';
const languageOf = (tag) => tag.slice(0, 2).toLowerCase();

/** The languages, each by its own name. */
export const languages = { en: 'English', zh: '中文' };

/** The language in use: a key of languages. */
export const language = localStorage.getItem(key) ?? languageOf(own);

/** The locale of dates and numbers. Undefined is the browser's own, with its region. */
export const locale = languageOf(navigator.language) === language ? undefined : { en: 'en', zh: 'zh-CN' }[language];

export function setLanguage(value) {
  localStorage.setItem(key, value);
  location.reload();
}

if (language === 'zh') use(chinese);
document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
