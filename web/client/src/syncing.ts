/**
 * The one sync that may be under way, and why another may follow.
 *
 * | state | active | again | changes |
 * |---|---|---|---|
 * | idle | no | no | sync: to running |
 * | running | yes | no | last page: to idle; another call of sync: to repeat |
 * | repeat | yes | yes | last page: to running if unknown conversations are left and no sync was made for them, else to idle |
 *
 * The end of the session leads to idle.
 */
export class Syncing {
  active = false;
  again = false;
  /** The sync under way lists everything; seen is what it has listed. */
  full = false;
  seen = new Set<string>();
  /**
   * Conversations of which events came before their state, with the lowest and the highest seq. The state may be older
   * than the events.
   */
  unknown = new Map<string, { first: number; last: number }>();
  /** A sync was made for the unknown ones already. */
  asked = false;

  lost(): void {
    this.active = this.again = this.full = this.asked = false;
    this.seen.clear();
  }
}
