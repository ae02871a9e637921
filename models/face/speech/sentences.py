"""What the voices say when they are measured, and when somebody listens to one without a text."""

# Written for this; the first of a language is the shortest way to hear what a voice is like.
SENTENCES = {
    "en": (
        "Good morning, I would like to tell you something about this picture.",
        "The weather was cold and wet, so we stayed at home and read a book.",
        "Can you hear the music that comes from the old house by the river?",
        "She bought three bottles of milk, a loaf of bread and some green apples.",
        "Nobody knew why the train to London had stopped in the middle of the night.",
        "Thank you very much for your patience, and please come back soon.",
    ),
    "zh": (
        "早上好，我想和你说说这张照片。",
        "今天天气很冷，所以我们在家里看书。",
        "请问，去火车站应该怎么走？",
        "她买了三瓶牛奶和一些新鲜的苹果。",
        "医生告诉他，每天晚上要早一点睡觉。",
        "谢谢大家的耐心，希望很快再见到你们。",
    ),
    "ja": (
        "おはようございます、この写真について少しお話しします。",
        "今日は寒いので、家で本を読んでいました。",
        "すみません、駅までどうやって行けばいいですか。",
        "彼女は牛乳を三本とりんごをいくつか買いました。",
        "新しい電車は東京から大阪まで二時間で走ります。",
        "ご清聴ありがとうございました、また会いましょう。",
    ),
    "fr": (
        "Bonjour, je voudrais vous raconter quelque chose sur cette image.",
        "Il faisait froid et il pleuvait, alors nous sommes restés à la maison.",
        "Pouvez-vous me dire où se trouve la gare la plus proche ?",
        "Elle a acheté trois bouteilles de lait, du pain et des pommes vertes.",
        "Personne ne savait pourquoi le train s'était arrêté au milieu de la nuit.",
        "Merci beaucoup pour votre patience, et revenez nous voir bientôt.",
    ),
    "es": (
        "Buenos días, quiero contarle algo sobre esta fotografía.",
        "Hacía mucho frío, así que nos quedamos en casa leyendo un libro.",
        "¿Puede decirme dónde está la estación de tren más cercana?",
        "Ella compró tres botellas de leche, pan y unas manzanas verdes.",
        "Nadie sabía por qué el tren se había parado en medio de la noche.",
        "Muchas gracias por su paciencia, y vuelva pronto a visitarnos.",
    ),
    "it": (
        "Buongiorno, vorrei raccontarvi qualcosa di questa fotografia.",
        "Faceva molto freddo, così siamo rimasti a casa a leggere un libro.",
        "Può dirmi dove si trova la stazione più vicina?",
        "Ha comprato tre bottiglie di latte, del pane e delle mele verdi.",
        "Nessuno sapeva perché il treno si fosse fermato in mezzo alla notte.",
        "Grazie mille per la vostra pazienza, e tornate presto a trovarci.",
    ),
    "pt": (
        "Bom dia, eu gostaria de contar uma coisa sobre esta fotografia.",
        "Estava muito frio, então ficamos em casa lendo um livro.",
        "Você pode me dizer onde fica a estação de trem mais próxima?",
        "Ela comprou três garrafas de leite, pão e algumas maçãs verdes.",
        "Ninguém sabia por que o trem tinha parado no meio da noite.",
        "Muito obrigado pela sua paciência, e volte logo para nos visitar.",
    ),
    "hi": (
        "नमस्ते, मैं आपको इस तस्वीर के बारे में कुछ बताना चाहता हूँ।",
        "आज बहुत ठंड है, इसलिए हम घर पर किताब पढ़ रहे हैं।",
        "क्या आप बता सकते हैं कि रेलवे स्टेशन कहाँ है?",
        "उसने तीन बोतल दूध और कुछ हरे सेब खरीदे।",
        "किसी को पता नहीं था कि गाड़ी रात में क्यों रुकी।",
        "आपके धैर्य के लिए बहुत धन्यवाद, फिर मिलेंगे।",
    ),
    "de": (
        "Guten Morgen, ich möchte Ihnen etwas über dieses Bild erzählen.",
        "Es war kalt und nass, also blieben wir zu Hause und lasen ein Buch.",
        "Können Sie mir sagen, wo der nächste Bahnhof ist?",
        "Sie kaufte drei Flaschen Milch, ein Brot und ein paar grüne Äpfel.",
        "Niemand wusste, warum der Zug mitten in der Nacht angehalten hatte.",
        "Vielen Dank für Ihre Geduld, und kommen Sie bald wieder.",
    ),
}
# A few words of the languages whose voices are not measured.
GREETINGS = {
    "yue": "你好，今日天氣好好。",
    "ko": "안녕하세요, 오늘 날씨가 좋습니다.",
    "nl": "Goedemorgen, ik wil u iets vertellen.",
    "pl": "Dzień dobry, chcę coś opowiedzieć.",
    "cs": "Dobrý den, chci vám něco říct.",
    "sv": "God morgon, jag vill berätta något.",
    "fi": "Hyvää huomenta, haluan kertoa jotain.",
    "hu": "Jó reggelt, szeretnék mondani valamit.",
    "tr": "Günaydın, size bir şey anlatmak istiyorum.",
    "el": "Καλημέρα, θέλω να σας πω κάτι.",
    "ru": "Доброе утро, я хочу вам кое-что рассказать.",
    "uk": "Доброго ранку, я хочу вам щось розповісти.",
    "vi": "Xin chào, tôi muốn kể cho bạn nghe một chuyện.",
    "id": "Selamat pagi, saya ingin bercerita sesuatu.",
}


def greeting(language: str) -> str:
    """A short sentence of a language, by its code."""
    return GREETINGS.get(language) or SENTENCES[language][0]
