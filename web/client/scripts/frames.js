// Turns the messages and schemas of asyncapi.yaml into TypeScript. It knows the part of JSON Schema that the
// description uses, and fails on anything else.

const pascal = (name) => name.replace(/(^|_)([a-z])/g, (_, __, letter) => letter.toUpperCase());

/** Constraints that a type cannot express. */
const silent = new Set(['description', 'type', 'format', 'pattern', 'not', 'minLength', 'maxLength', 'minimum', 'maximum',
  'minItems', 'maxItems', 'minProperties', 'propertyNames', 'default', 'if', 'then', 'required', 'properties',
  'additionalProperties', 'items', 'enum', 'const', '$ref', 'anyOf', 'oneOf', 'allOf']);

const primitives = { string: 'string', integer: 'number', number: 'number', boolean: 'boolean', null: 'null' };

function comment(text, indent) {
  if (!text) return '';
  const lines = text.trim().split('\n').map((line) => line.trim());
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join('')}${indent} */\n`;
}

function typeOf(schema, indent) {
  for (const key of Object.keys(schema)) if (!silent.has(key)) throw new Error(`frames.js does not know ${key}`);
  if (schema.$ref) return schema.$ref.split('/').at(-1);
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const constraint = (list) => list.every((one) => Object.keys(one).every((key) => key === 'required'));
  if (schema.allOf) {
    const parts = schema.allOf.filter((one) => !one.propertyNames).map((one) => typeOf(one, indent));
    return parts.join(' & ');
  }
  for (const list of [schema.anyOf, schema.oneOf]) {
    // Clients must ignore what they do not know, but an open type in a union would defeat its discrimination.
    if (list && !constraint(list)) {
      return list.filter((one) => !one.$ref?.includes('/Unknown')).map((one) => typeOf(one, indent)).join(' | ');
    }
  }
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type }, indent)).join(' | ');
  if (schema.type === 'array') {
    const item = typeOf(schema.items, indent);
    return item.includes(' | ') ? `(${item})[]` : `${item}[]`;
  }
  if (schema.type === 'object') return objectType(schema, indent);
  return primitives[schema.type] ?? 'unknown';
}

function objectType(schema, indent) {
  if (!schema.properties) {
    const { additionalProperties: values } = schema;
    return `Record<string, ${typeof values === 'object' ? typeOf(values, indent) : 'unknown'}>`;
  }
  const inner = `${indent}  `;
  const fields = Object.entries(schema.properties).map(([name, field]) => {
    const mark = schema.required?.includes(name) ? '' : '?';
    return `${comment(field.description, inner)}${inner}${name}${mark}: ${typeOf(field, inner)};\n`;
  });
  return `{\n${fields.join('')}${indent}}`;
}

function declaration(name, schema, text) {
  const type = typeOf(schema, '');
  const head = comment(text ?? schema.description ?? `${name}, as asyncapi.yaml describes it.`, '');
  return type.startsWith('{') && type.endsWith('}')
    ? `${head}export interface ${name} ${type}\n`
    : `${head}export type ${name} = ${type};\n`;
}

/** Returns the text of the module. */
export function frameTypes(document) {
  const { messages, schemas } = document.components;
  const requests = new Set(Object.values(document.operations).filter(({ action }) => action === 'receive')
    .flatMap((operation) => operation.messages.map(({ $ref }) => $ref.split('/').at(-1))));
  const out = ['// Generated from asyncapi.yaml by "npm run generate". Do not edit.\n'];
  for (const [name, schema] of Object.entries(schemas)) out.push(declaration(name, schema));
  const unions = { ClientFrame: [], ServerFrame: [] };
  for (const [key, message] of Object.entries(messages)) {
    if (message.name === 'event') continue;
    const name = `${pascal(key)}Frame`;
    unions[requests.has(key) ? 'ClientFrame' : 'ServerFrame'].push(name);
    out.push(declaration(name, message.payload, message.summary));
  }
  out.push('/** A durable change of a conversation, pushed to every session of its members. */\nexport interface EventFrame {\n  type: "event";\n  event: Event;\n}\n');
  unions.ServerFrame.push('EventFrame');
  out.push(`/** A frame that a client sends. */\nexport type ClientFrame = ${unions.ClientFrame.join(' | ')};\n`);
  out.push(`/** A frame that the server sends. Ignore frames of any other type. */\nexport type ServerFrame = ${unions.ServerFrame.join(' | ')};\n`);
  return out.join('\n');
}
