/** 16 letters and digits: nobody has the same. */
export function randomId(): string {
  const numbers = crypto.getRandomValues(new Uint32Array(16));
  return Array.from(numbers, (number) => (number % 36).toString(36)).join("");
}
