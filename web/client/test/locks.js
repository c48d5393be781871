/** navigator.locks of one browser, for tests in Node. */
export class Locks {
  #held = new Map();

  request(name, { signal } = {}, callback) {
    const turn = this.#held.get(name) ?? Promise.resolve();
    const run = turn.then(() => {
      if (signal?.aborted) throw signal.reason;
      return callback();
    });
    this.#held.set(name, run.catch(() => {}));
    return run;
  }
}
