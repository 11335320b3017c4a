/**
 * Keeps a box scrolled to its end while that is where its reader is, whatever grows in it or shrinks around it.
 *
 * @param onBottom Called when the reader is at the end, again.
 * @returns `sticks`: whether that is so; `go()` scrolls there.
 */
export function stickToBottom(box, onBottom) {
  let sticks = true;
  let top = 0;

  function go() {
    sticks = true;
    onBottom();
    box.scrollTop = box.scrollHeight;
  }

  box.addEventListener("scroll", () => {
    const below = box.scrollHeight - box.scrollTop - box.clientHeight;
    // Content added since may lie below, but only a reader scrolls up.
    if (below < 4) {
      sticks = true;
      onBottom();
    } else if (box.scrollTop < top) sticks = false;
    top = box.scrollTop;
  });
  const observer = new ResizeObserver(() => {
    if (sticks) go();
  });
  for (const part of [box, ...box.children]) observer.observe(part);
  return {
    go,
    get sticks() {
      return sticks;
    },
  };
}
