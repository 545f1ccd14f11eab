// A worker that ticks `fps` times a second. Pages in the background get one timer a second; workers keep their pace.

let timer = 0;

onmessage = ({ data: fps }) => {
  clearTimeout(timer);
  if (!fps) return;
  const period = 1000 / fps;
  let next = performance.now();
  const tick = () => {
    postMessage(0);
    const now = performance.now();
    next = Math.max(next + period, now - period); // after a stall, go on instead of catching up
    timer = setTimeout(tick, Math.max(0, next - now));
  };
  tick();
};
