// What every component begins with. Python puts WORDS (what it says, by language) and GIVEN (what never changes)
// before this. An update that meets a tab which isn't there yet leaves out every prop that it doesn't name.

const spoken = () => WORDS[document.documentElement.lang] ?? WORDS.en;
const given = name => props[name] ?? GIVEN[name] ?? '';

// Speak now, and again whenever the page changes its language.
function speaking(speak) {
  document.addEventListener('tl:language', function hear() {
    element.isConnected ? speak() : document.removeEventListener('tl:language', hear);
  });
  speak();
}
