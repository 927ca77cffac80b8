"""Words that hold sentences together, by language: they tell which language a question is in, and they are no keywords."""

from __future__ import annotations

from collections.abc import Mapping

from semantik.engines.embedding.terms import plain

_LISTS = {
    "ar": (
        "في من على الى عن مع هل ما ماذا متى اين كيف لماذا كم اي هو هي هم هذا هذه ذلك تلك التي الذي الذين كان كانت يكون "
        "تكون قد لقد ان او ثم لا لم لن كل بعد قبل بين عند منذ حتى لكن كما اذا وهو وهي"
    ),
    "bg": (
        "и в на за с от до по при без през че не да ли е са бил била било са съм кой коя кое кои какво къде кога как "
        "защо колко това тази този"
    ),
    "cs": (
        "je jsou byl byla bylo byly být co kdo kde kdy jak proč který která které kolik ve na pro do od po za ze se si "
        "že a nebo ale jaký jaká jaké s z v k o u i to ten ta"
    ),
    "da": (
        "er var være blev hvad hvem hvor hvornår hvordan hvorfor hvilken hvilket hvilke og af det den de en et ikke med "
        "til for på i om fra som at har havde mange meget"
    ),
    "de": (
        "der die das des dem den und oder ist sind war waren sein wird wurde wurden werden hat haben hatte hatten kann "
        "können was wer wen wem wo woher wohin wann wie warum weshalb wieso welche welcher welches welchen welchem von "
        "vom zu zum zur mit für nicht ein eine einen einem einer eines im in am an auf aus bei beim bis durch nach über "
        "unter um vor viele viel ich er sie es wir ihr man sich auch als dass ob"
    ),
    "el": (
        "ο η το οι τα του της των τον την στο στη στην στον στα στις και είναι ήταν τι ποιος ποια ποιο ποιοι ποιες πού "
        "που πότε πώς πως γιατί πόσο πόσα πόσοι με για από σε να θα δεν ένα μια ένας"
    ),
    "en": (
        "a an and are as at be been but by can could did do does for from had has have he her his how i if in into is "
        "it its many me much my no not of on or our s she should so such t than that the their them then there these "
        "they this those to was we were what when where which who whom whose why will with would you your"
    ),
    "es": (
        "el la los las lo de del al y e o u es son era eran fue fueron ser está están ha han había qué quién quiénes "
        "dónde cuándo cómo cuál cuáles cuánto cuánta cuántos cuántas por para con sin sobre entre una un unos unas en "
        "se su sus que no a como más le les"
    ),
    "fa": "در از به با برای که را این آن و یا است بود شد شده می چه چرا چگونه کجا کی چند کدام تا بر هم یک ها های",
    "fi": (
        "on oli ovat olivat olla mikä mitä mitkä kuka ketkä missä mistä mihin milloin miten miksi ja ei että tai kuinka "
        "monta paljon se ne"
    ),
    "fr": (
        "le la les l de des du d au aux et ou est sont était étaient être a ont avait qui que qu quoi où quand comment "
        "pourquoi quel quelle quels quelles lequel laquelle combien pour par avec sans sur dans en un une ce cet cette "
        "ces son sa ses leur leurs il elle ils elles on se s ne n pas plus c y"
    ),
    "he": (
        "של את על עם אל מן זה זו זאת הוא היא הם הן היה הייתה היו יש אין לא או גם כי אם מה מי איפה היכן מתי איך כיצד למה "
        "מדוע כמה איזה איזו"
    ),
    "hi": (
        "का की के को में से पर ने है हैं था थी थे हो होता होती होते और या यह वह ये वे इस उस इन उन क्या कौन किस किसने "
        "किसे कहाँ कहां कब कैसे क्यों कितना कितनी कितने कौनसा कौनसी एक भी ही तो लिए तक साथ कि जो अपने गया गई गए कर किया "
        "करता करते रहा रही रहे"
    ),
    "hu": (
        "a az és egy volt voltak van vannak mi mit ki kit hol mikor hogyan miért melyik hány mennyi nem hogy is ez meg "
        "vagy"
    ),
    "id": (
        "yang dan di ke dari pada untuk dengan adalah ialah oleh ini itu apa siapa kapan mana dimana bagaimana mengapa "
        "kenapa berapa tidak atau akan"
    ),
    "it": (
        "il lo la i gli le l un uno una di del dello della dei degli delle da dal dalla in nel nella a al alla su sul "
        "sulla con per tra fra e è sono era erano essere ha hanno che chi cosa dove quando come perché quale quali "
        "quanto quanta quanti quante non si suo sua o"
    ),
    "nl": (
        "de het een en of is zijn was waren wordt werd heeft had wat wie waar wanneer hoe waarom welke welk hoeveel van "
        "voor met niet in op aan uit bij naar door over om te dat die dit er"
    ),
    "no": (
        "er var være ble hva hvem hvor når hvordan hvorfor hvilken hvilket hvilke og av det den de en et ei ikke med "
        "til for på i om fra som at har hadde mange mye"
    ),
    "pl": (
        "jest są był była było były być co kto kogo gdzie kiedy jak dlaczego który która które których ile w we na do "
        "od dla z ze za po i oraz lub nie się to o przez czy"
    ),
    "pt": (
        "o a os as um uma uns umas de do da dos das em no na nos nas ao à e ou é são era eram foi foram ser está quem "
        "que qual quais quando como onde por porque para com sem quanto quanta quantos quantas se seu sua não mais"
    ),
    "ro": (
        "este e sunt era erau a fost au ce cine cui unde când cum care cât câtă câți câte și sau în la de din pe pentru "
        "cu prin un o al ale ai că nu se mai"
    ),
    "ru": (
        "и в во на с со к ко по за из от до для при о об что кто кого кому где когда как почему зачем какой какая какое "
        "какие каков сколько чем чей это этот эта эти он она они его её их был была было были быть есть не ли или а но "
        "у же"
    ),
    "sv": (
        "är var vara blev vad vem vilka hur när varför vilken vilket och av det den de en ett inte med till för på i om "
        "från som att har hade många mycket"
    ),
    "tr": (
        "ve veya bir bu şu o ne kim kimin nerede nereye nasıl neden niçin niye hangi hangisi kaç için ile olan olarak "
        "mi mı mu mü da de ki çok"
    ),
    "uk": (
        "і й та в у на з із зі до від для за по при про що хто кого де коли як чому який яка яке які скільки це цей ця "
        "ці він вона вони його її їх був була було були бути є не чи або але"
    ),
    "vi": (
        "và là của có những các gì ai ở đâu khi nào thế bao nhiêu trong cho với được tại sao như một này đó bị bởi từ "
        "đến"
    ),
}  # fmt: skip

FUNCTION_WORDS: Mapping[str, frozenset[str]] = {code: frozenset(map(plain, words.split())) for code, words in _LISTS.items()}
