/** Reports an error of the application's code as uncaught, as the browser does for a listener, and returns. */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
