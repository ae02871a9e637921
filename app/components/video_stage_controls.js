// Controls of our own in a row between the films and their mouths: the browser's would lie over a small film.

const clock = seconds => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

// Let a row play, seek and silence a video. Returns what names its controls in the language of the page.
function startControls(row, video) {
  const [play, sound, place, told] = ['[data-do=play]', '[data-do=sound]', 'input', '.ts-time'].map(one => row.querySelector(one));
  let words = {};

  function say(button, name) {
    button.dataset.shows = name;
    button.setAttribute('aria-label', words[name]);
    button.title = words[name];
  }

  function show() {
    say(play, video.paused ? 'play' : 'pause');
    say(sound, video.muted ? 'unmute' : 'mute');
    const length = video.duration || 0, time = `${clock(video.currentTime)} / ${clock(length)}`;
    place.max = length;
    place.value = video.currentTime;
    place.style.setProperty('--ts-share', `${100 * video.currentTime / (length || 1)}%`);
    place.setAttribute('aria-valuetext', time);
    told.textContent = time;
  }

  const toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());
  play.addEventListener('click', toggle);
  video.addEventListener('click', () => { if (!video.controls) toggle(); });
  sound.addEventListener('click', () => { video.muted = !video.muted; });
  place.addEventListener('input', () => { video.currentTime = place.value; });
  for (const event of ['play', 'pause', 'ended', 'timeupdate', 'seeking', 'durationchange', 'volumechange', 'emptied']) video.addEventListener(event, show);

  return function speak(spoken) {
    words = spoken;
    place.setAttribute('aria-label', words.seek);
    show();
  };
}
