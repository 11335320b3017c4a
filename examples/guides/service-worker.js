/** A service worker that keeps the files of an application, and leaves everything else to the browser: also the streams. */
const FILES = "files-1";

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  // A request without `respondWith` is the browser's own, as if there were no service worker.
  if (method === "GET" && new URL(url).pathname.startsWith("/assets/")) event.respondWith(cached(event.request));
});

async function cached(request) {
  const cache = await caches.open(FILES);
  const known = await cache.match(request);
  if (known) return known;
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}
