/**
 * Resolves in a later task, when the page has had the chance to handle input and to render.
 *
 * It uses no timer, since browsers delay those of hidden pages by a second and more. It closes the port, which would
 * keep a Node process alive.
 */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
