package push

import "strings"

// words are what the server itself writes into notifications.
type words struct {
	message, photo, video, audio, file, test string
}

// english is for all languages that are not in the table.
var english = words{"New message", "Photo", "Video", "Audio message", "File", "Notifications work"}

func wordsOf(locale string) words {
	language, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(locale), "_", "-"), "-")
	switch language {
	case "de":
		return words{"Neue Nachricht", "Foto", "Video", "Sprachnachricht", "Datei", "Benachrichtigungen funktionieren"}
	case "es":
		return words{"Mensaje nuevo", "Foto", "Vídeo", "Mensaje de voz", "Archivo", "Las notificaciones funcionan"}
	case "fr":
		return words{"Nouveau message", "Photo", "Vidéo", "Message vocal", "Fichier", "Les notifications fonctionnent"}
	case "ja":
		return words{"新しいメッセージ", "写真", "動画", "音声メッセージ", "ファイル", "通知は有効です"}
	case "pt":
		return words{"Nova mensagem", "Foto", "Vídeo", "Mensagem de voz", "Arquivo", "As notificações funcionam"}
	case "zh":
		return words{"新消息", "图片", "视频", "语音消息", "文件", "通知功能正常"}
	default:
		return english
	}
}
