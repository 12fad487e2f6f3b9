// Pictures that people have: opened, dropped, pasted, or taken with the camera. Files go to the server as they are.

import { byId } from "./dom.js";

const TYPES = ["image/png", "image/jpeg", "image/webp", "image/bmp", "image/tiff", "image/gif"];
const QUALITY = 0.9; // of the camera's JPEG

export const typeOf = (file) => (TYPES.includes(file.type) ? file.type : "application/octet-stream");

// `take(file)` is called for each picture, `complain(sentence)` where there is none to be had.
export function acceptPictures(take, complain) {
  const first = (files) => files?.length && take(files[0]);
  byId("open").onclick = () => byId("file").click();
  byId("file").onchange = (event) => {
    first(event.target.files);
    event.target.value = ""; // so that the same file can be chosen again
  };
  acceptDrops(first);
  document.addEventListener("paste", (event) => first(event.clipboardData.files));
  const camera = new Camera(take, complain);
  byId("shoot").onclick = () => camera.press();
  return camera;
}

function acceptDrops(first) {
  const paper = byId("paper");
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    paper.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? paper.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault(); // the browser would leave the page for the file
    paper.classList.remove("over");
    first(event.dataTransfer.files);
  });
}

// The first press opens the camera, the second takes the picture.
class Camera {
  #stream = null;

  constructor(take, complain) {
    Object.assign(this, { take, complain, button: byId("shoot"), video: byId("camera") });
  }

  press() {
    return this.#stream ? this.#shoot() : this.#open();
  }

  close() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = this.video.srcObject = null;
    this.#label(false);
  }

  async #open() {
    if (!navigator.mediaDevices) return this.complain("Browsers give a camera to https and localhost alone.");
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      return this.complain("There is no camera, or it was not allowed.");
    }
    this.video.srcObject = this.#stream;
    this.#label(true);
    await this.video.play();
  }

  #label(isOpen) {
    this.video.hidden = !isOpen;
    this.button.ariaPressed = isOpen;
    this.button.textContent = isOpen ? "Take picture" : "Camera";
  }

  async #shoot() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [this.video.videoWidth, this.video.videoHeight];
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    const picture = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
    this.close();
    this.take(new File([picture], "camera.jpg", { type: "image/jpeg" }));
  }
}
