// Emojis of reactions, and those of the picker.

// Characters that fonts show as text unless U+FE0F follows.
const textByDefault = /(?:[0-9#*](?=\u20E3)|(?![0-9#*]|\p{Emoji_Presentation})\p{Emoji})(?!\p{Emoji_Modifier})/gu;
const emoji = /^(?=.*[\p{Extended_Pictographic}\p{Regional_Indicator}\u20E3])(?:(?![0-9#*])[\p{Emoji}\p{Emoji_Component}]|[0-9#*]\u20E3)+$/u;

/**
 * The emoji of a reaction as it should be shown: with U+FE0F wherever the fully-qualified form of Unicode has it. Events
 * and lists of reactions have emojis without it, and fonts show some of those as text: ❤ instead of ❤️. Other text is
 * returned as it is. Compare emojis without it.
 */
export function emojiForm(text) {
  const bare = text.replaceAll('\uFE0F', '');
  return emoji.test(bare) ? bare.replace(textByDefault, '$&\uFE0F') : text;
}

/** Whether a text is of one to three emojis and nothing else: it is shown large. */
export function isOnlyEmoji(text) {
  const trimmed = text.trim();
  if (!trimmed || trimmed.length > 40 || !emoji.test(trimmed.replaceAll(/[\uFE0F\s]/g, ''))) return false;
  return [...new Intl.Segmenter().segment(trimmed.replaceAll(/\s/g, ''))].length <= 3;
}

/** The first reactions that are offered. */
export const quick = ['👍', '❤️', '😂', '🎉', '😮', '😢'];

// Group (a key of words.js) → emojis, each with words to find it by.
export const groups = {
  faces: `😀 grin smile|😃 smile happy|😄 happy laugh|😁 grin|😆 laugh|😅 sweat laugh|😂 joy tears laugh|🤣 rolling laugh|🙂 smile|🙃 upside down|😉 wink|😊 blush smile|😇 angel|🥰 love hearts|😍 love eyes|🤩 star eyes wow|😘 kiss|😋 yum tasty|😜 tongue wink|🤪 crazy|🤗 hug|🤭 giggle|🤫 quiet secret|🤔 think hmm|🤨 doubt|😐 neutral|😑 blank|😶 silent|😏 smirk|🙄 eyes roll|😬 grimace|😌 relieved|😔 sad pensive|😪 sleepy|😴 sleep|😷 mask ill|🤒 ill|🤯 mind blown|🥳 party|😎 cool|🤓 nerd|😕 confused|🙁 sad|😮 wow open|😲 astonished|🥺 please|😢 cry sad|😭 cry loud|😱 scream fear|😤 huff|😡 angry|🤬 swear|💀 skull dead|🤡 clown|👻 ghost|🤖 robot`,
  gestures: `👍 thumbs up yes ok|👎 thumbs down no|👌 ok|✌️ peace|🤞 fingers crossed luck|🤟 love|🤙 call|👈 left|👉 right|👆 up|👇 down|☝️ up one|✋ hand stop|👋 wave hello bye|👏 clap|🙌 hooray|🙏 thanks please pray|🤝 handshake deal|💪 strong|✍️ write|👀 eyes look|🧠 brain|🙋 raise hand|🤷 shrug|🤦 facepalm|🙇 bow sorry|💃 dance|🕺 dance|🏃 run|🚶 walk|👶 baby|👩‍💻 work computer|👨‍🍳 cook|🧑‍🚀 astronaut|👪 family`,
  nature: `🐶 dog|🐱 cat|🐭 mouse|🐰 rabbit|🦊 fox|🐻 bear|🐼 panda|🦁 lion|🐸 frog|🐵 monkey|🐧 penguin|🦉 owl|🦋 butterfly|🐝 bee|🐢 turtle|🐙 octopus|🐬 dolphin|🌵 cactus|🌲 tree|🍀 clover luck|🌸 blossom|🌻 sunflower|🌍 earth|🌙 moon|☀️ sun|⛅ cloud|🌧️ rain|⚡ lightning|❄️ snow|🔥 fire|💧 drop water|🌈 rainbow|🍎 apple|🍌 banana|🍓 strawberry|🥑 avocado|🍞 bread|🧀 cheese|🍕 pizza|🍔 burger|🍜 noodles|🍣 sushi|🍰 cake|🎂 birthday cake|🍫 chocolate|🍪 cookie|☕ coffee|🍵 tea|🍺 beer|🍷 wine|🥂 cheers`,
  things: `🎉 party tada|🎊 confetti|🎁 gift|🎈 balloon|🏆 trophy|🥇 gold first|⚽ football|🏀 basketball|🎮 game|🎸 guitar|🎵 music|🎬 film|📷 camera|📱 phone|💻 computer|⌨️ keyboard|🔋 battery|💡 idea light|🔧 tool fix|🔨 hammer|🔒 lock|🔑 key|📎 clip|📌 pin|📅 calendar date|📈 chart up|📉 chart down|📚 books|✏️ pencil|📝 note|✉️ mail|📦 package|💰 money|⏰ alarm clock|⏳ wait|🚀 rocket ship|✈️ plane|🚗 car|🚆 train|🚲 bike|🏠 home|🏢 office|🏖️ beach holiday|⛺ tent camp|🗺️ map`,
  symbols: `❤️ heart love red|🧡 heart orange|💛 heart yellow|💚 heart green|💙 heart blue|💜 heart purple|🖤 heart black|💔 broken heart|💯 hundred|✅ check done yes|☑️ check|✔️ check|❌ no cross|❗ exclamation|❓ question|⚠️ warning|🚫 forbidden|🛑 stop|♻️ recycle|➕ plus|➖ minus|➡️ right|⬅️ left|⬆️ up|⬇️ down|🔁 repeat|🔔 bell|🔕 muted|⭐ star|✨ sparkles|💥 boom|💤 sleep|💬 speech|👁️ eye|🏁 finish|🟢 green|🟡 yellow|🔴 red`,
};

/** The emojis of a group as [emoji, words]. */
export const emojisOf = (group) => groups[group].split('|').map((entry) => [entry.slice(0, entry.indexOf(' ')), entry.slice(entry.indexOf(' ') + 1)]);
