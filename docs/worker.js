// The search runs in a worker, which browsers deny to pages that are read from a folder: a frame stands in for it.
// The theme looks for the name.
class IFrameWorker extends EventTarget {
  constructor(url) {
    super();
    const frame = document.createElement("iframe");
    frame.hidden = true;
    this.ready = new Promise((resolve) => frame.addEventListener("load", () => resolve(frame.contentWindow), { once: true }))
      .then(async (inner) => {
        inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
        inner.importScripts = async (...urls) => {
          for (const each of urls) await IFrameWorker.load(inner.document, each);
        };
        await inner.importScripts(url);
        return inner;
      });
    document.body.append(frame);
  }

  static load(page, url) {
    return new Promise((resolve, reject) => {
      const script = page.createElement("script");
      script.src = url;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${url} cannot be loaded`));
      page.head.append(script);
    });
  }

  postMessage(data) {
    this.ready.then((inner) => inner.dispatchEvent(new inner.MessageEvent("message", { data })));
  }
}

if (location.protocol === "file:") window.Worker = window.IFrameWorker = IFrameWorker;
