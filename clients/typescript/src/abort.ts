/** Giving up on what may not know that it is given up: functions of the caller's. */

/** Settles as the promise does, or rejects when the signal is aborted, whatever the promise thinks of signals. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    promise.then(resolve, reject);
  });
}
