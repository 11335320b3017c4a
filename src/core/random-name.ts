/** So many letters and digits at random: of eight, one in 2.8 million million is the same as another. */
export function randomName(length: number): string {
  const numbers = crypto.getRandomValues(new Uint32Array(length));
  return Array.from(numbers, (number) => (number % 36).toString(36)).join("");
}
