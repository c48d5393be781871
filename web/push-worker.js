// The service worker of the web chat. It shows push notifications while no page shows the messages themselves. It answers
// no requests and caches nothing. The payload is described in docs/push.md.

// A page that takes longer to answer counts as away.
const visibleMs = 2_000;
const clickMs = 500; // soon after a click, browsers let the worker open no window any more

self.addEventListener('install', () => self.skipWaiting());

self.addEventListener('push', (event) => event.waitUntil(take(event.data?.json() ?? {})));

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data ?? {}));
});

// The browser has replaced the subscription. Only a page can tell the server, which it does at once or when it is opened.
self.addEventListener('pushsubscriptionchange', (event) => event.waitUntil(renew(event)));

async function take(message) {
  const { type, title, body = '', conversation_id: tag = '', seq = 0, unread_total: unread } = message;
  if (unread !== undefined) await self.navigator.setAppBadge?.(unread).catch(() => {}); // not every system has badges
  // Browsers permit to show nothing only while a page is visible. One of another account does not show this message.
  if (type === 'message' && await ours(await pages(({ visibilityState }) => visibilityState === 'visible'), visibleMs)) return;
  const [shown] = tag ? await self.registration.getNotifications({ tag }) : [];
  await self.registration.showNotification(title || 'im', {
    body, tag, data: message, icon: 'icon.svg',
    renotify: tag !== '' && !(shown?.data?.seq >= seq), // a repetition makes no sound
  });
}

async function open({ conversation_id: id }) {
  const page = await ours(await pages(), clickMs);
  if (page) {
    page.postMessage({ type: 'push.open', id });
    await page.focus();
  } else {
    await self.clients.openWindow(self.registration.scope + (id ? `#/c/${id}` : ''));
  }
}

async function renew({ oldSubscription: before, newSubscription: after }) {
  if (!after && before) await self.registration.pushManager.subscribe(before.options);
  for (const page of await pages()) page.postMessage({ type: 'push.changed' });
}

/** The pages of the chat, the one that was used last first. */
async function pages(wanted = () => true) {
  const all = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return all.filter((page) => page.url.startsWith(self.registration.scope) && wanted(page));
}

/** Returns the first page that says that the notifications are for the account that is signed in there, or undefined. */
async function ours(list, ms) {
  const answers = await Promise.all(list.map((page) => ask(page, ms)));
  return list[answers.indexOf(true)];
}

function ask(page, ms) {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = ({ data }) => resolve(data === true);
    setTimeout(resolve, ms, false);
    page.postMessage({ type: 'push.mine' }, [port2]);
  }).finally(() => port1.close());
}
