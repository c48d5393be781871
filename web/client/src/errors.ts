import type { ErrorFrame } from './generated/frames.js';

/** The codes of the contract, and those of this client. */
export type Code = ErrorFrame['code'] | 'closed' | 'network';

/** What a refusal says, as an error frame or a problem document has it. */
export interface RefusalFields {
  code: Code;
  message?: string;
  retry?: ErrorFrame['retry'];
  retry_after_ms?: number;
  fields?: Record<string, string>;
}

/**
 * A refusal by the server, or by this client before it asks. `code` says why, `retry` what to do about it, `fields` what
 * is wrong in the request (by JSON pointer).
 *
 * The codes `closed` (the client was stopped) and `network` (no answer: the call may have taken effect) are the client's.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  /** Why it was refused. */
  readonly code: Code;
  /** `never`: the answer would be the same; `again`: with a backoff; `after`: not before retryAfterMs. */
  readonly retry: ErrorFrame['retry'];
  /** The delay before a retry, in milliseconds; 0 if there is none. */
  readonly retryAfterMs: number;
  /** Maps JSON pointers into the request to the reason. */
  readonly fields: Readonly<Record<string, string>>;

  /** Makes a refusal of the fields of an error frame or a problem document. */
  constructor(fields: RefusalFields, options?: ErrorOptions) {
    super(fields.message || fields.code, options);
    this.code = fields.code;
    this.retry = fields.retry ?? 'never';
    this.retryAfterMs = fields.retry_after_ms ?? 0;
    this.fields = fields.fields ?? {};
  }
}

/** Returns the error of a client that was stopped. */
export function closed(): Refusal {
  return new Refusal({ code: 'closed', message: 'the client was stopped' });
}

/** Returns any thrown value as an Error. */
export function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}

/** Whether an error says that waiting helps. */
export function mayPass(refusal: Refusal): boolean {
  return refusal.retry === 'again' || refusal.retry === 'after';
}
