// Digits that draw themselves. A digit is a few curves in a square of 100 x 100, y downwards.

const CURVES = [
  ["54,1 29,11 15,45 23,83 49,99 76,84 85,48 75,13 54,1"],
  ["54,0 51,50 48,100"],
  ["17,22 31,5 56,0 77,13 75,36 56,61 32,82 13,96 50,93 88,94"],
  ["19,13 40,1 66,5 76,22 66,39 40,47 69,53 82,72 71,91 43,100 14,90"],
  ["25,2 20,28 17,54 50,54 86,48", "76,0 71,50 66,100"],
  ["80,1 54,3 30,3 26,22 23,43 49,37 74,50 80,73 64,93 38,100 13,90"],
  ["66,0 43,18 26,43 18,70 29,93 53,100 75,87 75,66 57,55 35,61 20,77"],
  ["13,9 48,6 84,4 66,37 51,70 42,100"],
  ["72,13 51,0 30,11 33,33 53,48 73,67 71,90 48,100 26,89 29,67 51,48 70,31 72,13"],
  ["77,16 56,1 31,9 22,31 37,48 60,42 77,16 74,45 67,74 60,100"],
];
const DRAWN_MS = 700;
const STEPS = 8; // points between two of a curve
const SIZE = { digit: [1, 0.64], number: [4, 0.44] }; // digits on the paper, and their height

// Draws at the speed of a hand, or at once for who wants no motion.
export async function drawExample(pad) {
  pad.clear();
  const [most, height] = SIZE[pad.mode];
  const gap = pad.aspect / most;
  for (let place = 0; place < most; place++) {
    const curves = CURVES[Math.floor(Math.random() * 10)];
    const across = (x) => gap * (place + 0.5) + (x - 50) * 0.0085 * height;
    const down = (y) => 0.5 + (y / 100 - 0.5) * height;
    for (const curve of curves) {
      if (!(await trace(pad, smooth(curve).map(([x, y]) => [across(x), down(y)])))) return;
    }
  }
}

// Gives false where somebody else took the pen.
async function trace(pad, points) {
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const began = performance.now();
  const stroke = pad.begin(...points[0]);
  for (let next = 1; next < points.length; ) {
    const share = isStill ? 1 : Math.min(1, (performance.now() - began) / DRAWN_MS);
    while (next < points.length && next <= share * points.length) pad.extend(...points[next++]);
    pad.changed();
    if (share < 1) await new Promise(requestAnimationFrame);
    if (pad.stroke !== stroke) return false;
  }
  pad.end();
  return true;
}

// The Catmull-Rom curve through the points.
function smooth(curve) {
  const points = curve.split(" ").map((point) => point.split(",").map(Number));
  const at = (index) => points[Math.min(Math.max(index, 0), points.length - 1)];
  const between = (index, t) => [0, 1].map((axis) => {
    const [p, q, r, s] = [-1, 0, 1, 2].map((offset) => at(index + offset)[axis]);
    return q + (t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)))) / 2;
  });
  const made = points.slice(1).flatMap((_, index) => Array.from({ length: STEPS }, (_, k) => between(index, k / STEPS)));
  return [...made, points.at(-1)];
}
