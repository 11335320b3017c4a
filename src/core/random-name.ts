/** Returns random letters and digits. Two names of eight are equal once in 2.8 million million. */
export function randomName(length: number): string {
  const numbers = crypto.getRandomValues(new Uint32Array(length));
  return Array.from(numbers, (number) => (number % 36).toString(36)).join("");
}
