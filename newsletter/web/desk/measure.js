// Makes the frame as high as the mail in it, and says that height in the title.
"use strict";

const frame = document.querySelector("iframe");

function measure() {
  const height = frame.contentDocument.documentElement.scrollHeight;
  frame.style.height = `${height}px`;
  document.title = String(height);
}

if (frame.contentDocument.readyState === "complete" && frame.contentDocument.body.childElementCount) {
  measure();
}
frame.addEventListener("load", measure);
