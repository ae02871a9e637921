// Tells Python that the page speaks another language, so that what it had composed is said anew.
document.addEventListener('tl:language', function hear() {
  element.isConnected ? trigger('spoken', {}) : document.removeEventListener('tl:language', hear);
});
