// The forms "Try it", and the filter of the contents. The page works without this script.

const base = new URL('.', location.href) // the node, under its path prefix
const key = 'im-docs-token'
const token = document.getElementById('token')
const note = document.getElementById('token-note')

try {
  token.value = sessionStorage.getItem(key) ?? ''
} catch { /* storage is off: the token lives as long as the page */ }
token.addEventListener('input', remember)

function remember() {
  try {
    sessionStorage.setItem(key, token.value)
  } catch { /* as above */ }
}

for (const command of document.querySelectorAll('.curl')) {
  command.textContent = command.textContent.replace('http://127.0.0.1:8080/', base.href)
}

/** Asks im dev for a token of a user. */
function requestToken(user) {
  return fetch(new URL('dev/token', base), { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ user }) })
}

// Only im dev issues tokens, mostly on this machine.
const local = /^(localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname)
const devToken = document.getElementById('dev-token')
devToken.hidden = !local || !(await requestToken('alice').then((answer) => answer.ok, () => false))
devToken.addEventListener('submit', async (event) => {
  event.preventDefault()
  const user = document.getElementById('dev-user').value
  const answer = await requestToken(user)
  const body = await answer.json().catch(() => ({}))
  if (!answer.ok) {
    note.textContent = body.detail ?? answer.statusText
    return
  }
  token.value = body.token
  remember()
  note.textContent = `You are ${user}.`
})

for (const details of document.querySelectorAll('.try')) {
  const form = details.querySelector('form')
  details.querySelector('.examples')?.addEventListener('change', (event) => { form.elements.body.value = event.target.value })
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    send(details, form)
  })
}

/** Makes the call of a form and shows the answer. */
async function send(details, form) {
  const result = form.querySelector('.result')
  const headers = {}
  const query = new URLSearchParams()
  let path = details.dataset.path.slice(1)
  for (const input of form.elements) {
    const [place, name] = (input.name ?? '').split(':')
    if (!input.value || !name) continue
    if (place === 'path') path = path.replace(`{${name}}`, encodeURIComponent(input.value))
    if (place === 'query') for (const value of input.value.split(',')) query.append(name, value)
    if (place === 'header') headers[name] = input.value
  }
  if (token.value) headers.Authorization = `Bearer ${token.value.trim()}`
  const body = form.elements.body?.value
  if (body) headers['Content-Type'] = 'application/json'
  const url = new URL(path + (query.size ? `?${query}` : ''), base)
  result.hidden = false
  result.textContent = '…'
  try {
    const answer = await fetch(url, { method: details.dataset.method, headers, body: body || undefined })
    const text = await answer.text()
    result.textContent = `${answer.status} ${answer.statusText}\n${pretty(text)}`
  } catch (error) {
    result.textContent = `No answer: ${error.message}`
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

const filter = document.getElementById('filter')
filter.addEventListener('input', () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean)
  for (const entry of document.querySelectorAll('nav li')) {
    const text = `${entry.textContent} ${entry.firstElementChild.title}`.toLowerCase()
    entry.hidden = !words.every((word) => text.includes(word))
  }
})
