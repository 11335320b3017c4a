/**
 * Whether the page of examples/ai-chat has been told that there is no answer to resume. Until then `useChat` may still
 * set its status to "ready", also while an answer to a question comes that was asked too early.
 */
export const isResumed = `performance.getEntriesByType("resource").some(
  ({ name, responseEnd }) => name.endsWith("/stream") && responseEnd > 0,
)`;
